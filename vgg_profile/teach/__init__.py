"""Teaching material: the notes audited, facts and layers worked out."""
