"""What runs in a kernel that was forked from the host: built before the fork, finished after it."""
