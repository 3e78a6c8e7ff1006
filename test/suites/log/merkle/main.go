// Verifies a live log, its cosignatures and proof files with transparency-dev/merkle and transparency-dev/formats.
// usage: merkle BASE TRUST PROOF...
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"countersign.example/log/read"
	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	tproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	base := os.Args[1]
	trust, err := os.ReadFile(os.Args[2])
	read.Must(err)
	var verifier note.Verifier
	var others []note.Verifier
	for _, line := range strings.Split(string(trust), "\n") {
		switch words := strings.Fields(line); {
		case len(words) > 1 && words[0] == "log":
			verifier, err = note.NewVerifier(words[1])
			read.Must(err)
		case len(words) > 2 && words[0] == "witness":
			other, err := fnote.NewVerifierForCosignatureV1(words[2])
			read.Must(err)
			others = append(others, other)
		}
	}
	policy, err := witness.ParsePolicy(trust)
	read.Must(err)
	signed := read.File(base, "checkpoint")
	head, _, opened, err := log.ParseCheckpoint(signed, verifier.Name(), verifier, others...)
	read.Must(err)
	if !policy.Satisfied(signed) {
		read.Must(fmt.Errorf("too few witnesses: %d of %d", len(opened.Sigs)-1, len(others)))
	}
	entries := read.Entries(base, head.Size)
	tree := testonly.New(rfc6962.DefaultHasher)
	tree.AppendData(entries...)
	if !bytes.Equal(tree.Hash(), head.Hash) {
		read.Must(fmt.Errorf("the entries make another root"))
	}
	for index := range entries {
		path, err := tree.InclusionProof(uint64(index), head.Size)
		read.Must(err)
		leaf := rfc6962.DefaultHasher.HashLeaf(entries[index])
		read.Must(proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), head.Size, leaf, path, head.Hash))
	}
	for _, name := range os.Args[3:] {
		checkProof(name, verifier, others, policy)
	}
	fmt.Printf("the signature, %d cosignatures, the policy, %d entries, %d proof files\n",
		len(opened.Sigs)-1, head.Size, len(os.Args[3:]))
}

// checkProof reads a proof file, and checks the leaf that it carries against the checkpoint in it.
func checkProof(name string, verifier note.Verifier, others []note.Verifier, policy witness.Group) {
	text, err := os.ReadFile(name)
	read.Must(err)
	var file tproof.TLogProof
	read.Must(file.Unmarshal(text))
	head, _, _, err := log.ParseCheckpoint(file.Checkpoint, verifier.Name(), verifier, others...)
	read.Must(err)
	if !policy.Satisfied(file.Checkpoint) {
		read.Must(fmt.Errorf("%s: too few witnesses", name))
	}
	var extra struct{ Leaf string }
	read.Must(json.Unmarshal(file.ExtraData, &extra))
	var path [][]byte
	for _, hash := range file.Hashes {
		path = append(path, hash[:])
	}
	leaf := rfc6962.DefaultHasher.HashLeaf([]byte(extra.Leaf))
	read.Must(proof.VerifyInclusion(rfc6962.DefaultHasher, file.Index, head.Size, leaf, path, head.Hash))
}
