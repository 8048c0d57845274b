"""From any place where tools are written down to a surface that can be judged."""
