"""The Berkeley Function-Calling Leaderboard: single calls of two editions, and multi turn."""
