// Package group is the command group: consumer groups of both protocols, their lag,
// their settings and their offsets.
package group
