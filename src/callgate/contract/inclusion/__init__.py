"""Whether everything valid under one schema is valid under another: a proof, or a witness."""
