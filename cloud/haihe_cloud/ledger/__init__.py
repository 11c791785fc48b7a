"""The centre's book of which numbers it holds, refused, or knows as gaps; and the order in which they came."""
