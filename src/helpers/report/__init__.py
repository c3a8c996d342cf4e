"""Jobs, notebooks, passports, pages and the command line."""
