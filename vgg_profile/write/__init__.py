"""Forms as text, Markdown, CSV, JSON, LaTeX, HTML, pictures and pages; no result is known here."""
