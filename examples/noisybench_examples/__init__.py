"""Plugins of noisybench in a package of their own: a method, a backbone, a data set and a kind of noise."""
