"""The only place that knows Chzzk: its addresses, its fields, its dialects and its habits."""
