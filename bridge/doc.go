// Package bridge holds links, sessions and custody.
package bridge
