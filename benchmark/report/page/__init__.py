"""The page: one HTML file in which a grid can be read and explored, see `docs/page.md`."""
