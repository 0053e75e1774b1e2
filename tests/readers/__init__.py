"""Foreign ZIP readers that judge archives. Run install.sh in this directory first."""
