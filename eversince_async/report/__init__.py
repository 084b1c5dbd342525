"""Reports of batches: a page for people, a table for spreadsheets, JSON for programs.

Here stands what they look like, for whoever has something to tell (`entries`). What batches have to tell is
theirs: see `Report.to_html`, `Report.to_csv` and `Report.to_json`.
"""
