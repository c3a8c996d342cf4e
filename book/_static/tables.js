// Sorting, searching and paging of result tables by the DataTables bundle that comes with the
// itables library. The bundle is kept as text: a page opened from disk may not import modules by
// path, but it may import one made from text.
(async () => {
  const tables = document.querySelectorAll("table.sortable");
  if (tables.length === 0) return;
  const source = new Blob([window.itablesBundle], { type: "text/javascript" });
  const { ITable } = await import(URL.createObjectURL(source));
  for (const table of tables) {
    const rows = table.tBodies[0].rows.length;
    new ITable(table, {
      order: [],
      pageLength: 10,
      paging: rows > 10,
      searching: rows > 10,
      info: rows > 10,
      layout: { topStart: rows > 10 ? "pageLength" : null, topEnd: rows > 10 ? "search" : null },
    });
    markLong(table);
    table.addEventListener("draw.dt", () => markLong(table));
    table.addEventListener("click", (event) => event.target.closest("td.long")?.classList.toggle("open"));
    table.dataset.ready = "true";
  }

  // Text too long for its column is cut; the whole shows on a click, or where the pointer rests.
  function markLong(table) {
    for (const cell of table.tBodies[0].querySelectorAll("td")) {
      if (cell.scrollWidth > cell.clientWidth) {
        cell.classList.add("long");
        cell.title = cell.textContent;
      }
    }
  }
})();
