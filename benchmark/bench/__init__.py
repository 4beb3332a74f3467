"""What `noisybench bench` and the tests of speed measure: ratios within one session, on minima."""
