import threading
import urllib.request

from helpers.report.serve import open_server


def test_open_server__serves_the_pages_on_loopback_alone(tmp_path):
    (tmp_path / "index.html").write_text("<p>the book</p>", encoding="utf-8")
    with open_server(tmp_path, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read().decode()
        server.shutdown()
    assert text == "<p>the book</p>"
    assert server.server_address[0] == "127.0.0.1"
