// Readzip reads every byte of every entry of each archive.
// It prints a line for each archive: "ok", or "refused" and the reason.
// archive/zip compares the CRC-32 and the size, and the data descriptor where there is one.
//
// Usage: readzip ARCHIVE...
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	for _, archive := range os.Args[1:] {
		if err := readArchive(archive); err != nil {
			fmt.Println("refused", strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println("ok")
		}
	}
}

func readArchive(archive string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer reader.Close()
	for _, file := range reader.File {
		if err := readEntry(file); err != nil {
			return fmt.Errorf("%s: %w", file.Name, err)
		}
	}
	return nil
}

func readEntry(file *zip.File) error {
	data, err := file.Open()
	if err != nil {
		return err
	}
	defer data.Close()
	size, err := io.Copy(io.Discard, data)
	if err == nil && uint64(size) != file.UncompressedSize64 {
		err = fmt.Errorf("%d bytes, the central directory says %d", size, file.UncompressedSize64)
	}
	return err
}
