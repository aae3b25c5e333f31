// Stores a large sealed body in a file of the origin's private file system (File System Standard, WHATWG) while a browser
// sends it, because Blobs that a script makes lie in memory. The file holds sealed bytes only.
import { ignore } from '../abort.ts';
import type { Spool } from '../outer/hop.ts';

const FOLDER = 'mte-relay uploads';
/** A file this old is from a page that ended during an upload. */
const LEFT_BEHIND_MS = 86_400_000;

/** Undefined without such a file system, as in private windows and older browsers, or without free space. */
export async function openSpool(sizeBytes: number): Promise<Spool | undefined> {
  try {
    const { storage } = navigator;
    const { quota = 0, usage = 0 } = await storage.estimate();
    // Twice: the browser writes the file beside its earlier, empty version.
    if (quota - usage < 2 * sizeBytes) return undefined;
    const folder = await (await storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
    await sweep(folder);
    const name = `${Date.now()} ${crypto.randomUUID()}`;
    const file = await folder.getFileHandle(name, { create: true });
    const writable = await file.createWritable();
    return {
      write: (part) => writable.write(part),
      async finish() {
        await writable.close();
        return file.getFile();
      },
      async discard() {
        await writable.abort().catch(ignore); // fails after finish()
        await folder.removeEntry(name).catch(ignore);
      },
    };
  } catch {
    return undefined;
  }
}

async function sweep(folder: FileSystemDirectoryHandle): Promise<void> {
  for await (const name of folder.keys()) {
    if (Number.parseInt(name, 10) < Date.now() - LEFT_BEHIND_MS) await folder.removeEntry(name).catch(ignore);
  }
}
