"""Where runs are carried out. An executor returns only how each run ended: results travel through the store."""
