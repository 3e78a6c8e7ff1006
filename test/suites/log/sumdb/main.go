// Verifies every entry of a live log with golang.org/x/mod/sumdb.
// usage: sumdb BASE VKEY
package main

import (
	"fmt"
	"os"
	"strings"

	"countersign.example/log/read"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type reader struct{ base string }

func (r reader) Height() int                     { return 8 }
func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}
func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var files [][]byte
	for _, tile := range tiles {
		// sumdb puts the height in front, C2SP does not.
		files = append(files, read.File(r.base, strings.Replace(tile.Path(), "tile/8/", "tile/", 1)))
	}
	return files, nil
}

func main() {
	base, vkey := os.Args[1], os.Args[2]
	verifier, err := note.NewVerifier(vkey)
	read.Must(err)
	signed, err := note.Open(read.File(base, "checkpoint"), note.VerifierList(verifier))
	read.Must(err)
	lines := strings.Split(signed.Text, "\n")
	var size int64
	fmt.Sscan(lines[1], &size)
	root, err := tlog.ParseHash(lines[2])
	read.Must(err)
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, reader{base})
	for index, entry := range read.Entries(base, uint64(size)) {
		proof, err := tlog.ProveRecord(size, int64(index), hashes)
		read.Must(err)
		read.Must(tlog.CheckRecord(proof, size, root, int64(index), tlog.RecordHash(entry)))
	}
	trees := 0
	for old := int64(1); old < size; old += 1 + old/3 {
		before, err := tlog.TreeHash(old, hashes)
		read.Must(err)
		proof, err := tlog.ProveTree(size, old, hashes)
		read.Must(err)
		read.Must(tlog.CheckTree(proof, size, root, old, before))
		trees++
	}
	fmt.Printf("the signature, %d entries, %d earlier trees\n", size, trees)
}
