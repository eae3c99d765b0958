part_rootless() { :; }
