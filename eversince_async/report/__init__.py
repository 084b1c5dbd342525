"""Reports of batches, as an HTML page, a CSV table or JSON.

The page is for people, the table for spreadsheets, the JSON for programs. This package decides how reports
look. Their content comes as entries and an overview (see `model`), which batches supply: see
`Report.to_html`, `Report.to_csv` and `Report.to_json`.
"""
