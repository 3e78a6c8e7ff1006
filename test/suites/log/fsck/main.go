// Checks a live log with Tessera's fsck: every tile, every entry and the root.
// usage: fsck BASE VKEY
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"countersign.example/log/read"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func hashes(bundle []byte) ([][]byte, error) {
	entries := &api.EntryBundle{}
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var found [][]byte
	for _, entry := range entries.Entries {
		found = append(found, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return found, nil
}

func main() {
	base, err := url.Parse(os.Args[1] + "/")
	read.Must(err)
	verifier, err := note.NewVerifier(os.Args[2])
	read.Must(err)
	source, err := client.NewHTTPFetcher(base, nil)
	read.Must(err)
	read.Must(fsck.New(verifier.Name(), verifier, source, hashes, fsck.Opts{N: 2}).Check(context.Background()))
	fmt.Println("every tile, every entry, the root")
}
