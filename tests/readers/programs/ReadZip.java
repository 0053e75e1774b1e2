import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/**
 * Reads every byte of every entry of each archive.
 *
 * <p>Prints a line for each archive: "ok", or "refused" and the reason.
 *
 * <p>Usage: java ReadZip zipfile|zipinputstream ARCHIVE...
 */
final class ReadZip {
    private static final byte[] BUFFER = new byte[1 << 20];

    public static void main(String[] arguments) {
        boolean streamed = arguments[0].equals("zipinputstream");
        for (int i = 1; i < arguments.length; i++) {
            String verdict = "ok";
            try {
                if (streamed) {
                    readStream(arguments[i]);
                } else {
                    readFile(arguments[i]);
                }
            } catch (IOException | RuntimeException error) {
                verdict = "refused " + error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(verdict);
        }
    }

    /** ZipFile checks neither CRC-32 nor size of what it hands out, so this does. */
    private static void readFile(String archive) throws IOException {
        try (ZipFile zip = new ZipFile(archive)) {
            int count = 0;
            for (Enumeration<? extends ZipEntry> entries = zip.entries(); entries.hasMoreElements(); count++) {
                ZipEntry entry = entries.nextElement();
                CRC32 crc32 = new CRC32();
                long size = 0;
                try (InputStream data = zip.getInputStream(entry)) {
                    for (int n = data.read(BUFFER); n >= 0; n = data.read(BUFFER)) {
                        crc32.update(BUFFER, 0, n);
                        size += n;
                    }
                }
                if (size != entry.getSize()) {
                    throw new IOException(entry + ": " + size + " bytes, not " + entry.getSize());
                }
                if (crc32.getValue() != entry.getCrc()) {
                    throw new IOException(entry + ": CRC-32 differs from the central directory");
                }
            }
            if (count != zip.size()) {
                throw new IOException(count + " entries, the end record says " + zip.size());
            }
        }
    }

    /**
     * ZipInputStream checks CRC-32 and size itself, but takes the first bytes that are no local header for the end.
     * So the entries that it found are compared with the central directory.
     */
    private static void readStream(String archive) throws IOException {
        List<String> streamed = new ArrayList<>();
        try (ZipInputStream zip = new ZipInputStream(new BufferedInputStream(new FileInputStream(archive)))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                streamed.add(entry.getName());
                while (zip.read(BUFFER) >= 0) {
                }
            }
        }
        List<String> listed = new ArrayList<>();
        try (ZipFile zip = new ZipFile(archive)) {
            zip.stream().forEach(entry -> listed.add(entry.getName()));
        }
        if (!streamed.equals(listed)) {
            throw new IOException(streamed.size() + " entries streamed, " + listed.size()
                    + " in the central directory, or another order");
        }
    }
}
