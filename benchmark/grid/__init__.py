"""From a suite file to run specs with ids. Knows no torch and no device."""
