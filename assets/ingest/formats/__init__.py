"""What listening services and scrobblers hand out, one module each."""
