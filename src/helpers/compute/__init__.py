"""The science: data in, tables out; no files and no figures."""
