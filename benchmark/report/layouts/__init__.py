"""Layouts of tables; `all` names them."""
