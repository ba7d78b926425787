"""The steps of the work, one panel a module, in the order of the dock."""
