package web

// MaxWatchers is how many pages may watch at once.
const MaxWatchers = maxWatchers
