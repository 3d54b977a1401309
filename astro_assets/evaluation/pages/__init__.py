"""Pages people read: self-contained HTML, no script, nothing loaded from anywhere."""
