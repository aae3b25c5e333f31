// Where a browser keeps a large sealed body on its way out: a file of the origin's private file system (File System
// Standard, WHATWG), since Blobs that a script makes lie in memory. What is written there is sealed.
import { ignore } from '../abort.ts';
import type { Spool } from '../outer/hop.ts';

const FOLDER = 'mte-relay uploads';
/** A file this old was left behind by a page that ended during an upload. */
const LEFT_BEHIND_MS = 86_400_000;

/** Undefined where there is no such file system, as in private windows and older browsers, or no room. */
export async function openSpool(sizeBytes: number): Promise<Spool | undefined> {
  try {
    const { storage } = navigator;
    const { quota = 0, usage = 0 } = await storage.estimate();
    // Twice: the file is written beside its earlier, empty form.
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
        await writable.abort().catch(ignore); // fails when it is finished
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
