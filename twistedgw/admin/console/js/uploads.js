// Files that a person drops or chooses: read here, so that errors can be shown in them.

export const LARGEST = 1_048_576;
const RAW = /\.(zip|binpb|pb|desc|protoset|bin)$/i;

/**
 * Reads files.
 * @param {Array<{path: string, file: File}>} given
 * @returns {Promise<{files: Array<{path: string, text: string}>, raw: File|null, faults: string[]}>} `raw` is a zip or a
 *   descriptor set, that only the gateway reads; `faults` are sentences about files that cannot be taken.
 */
export async function readAll(given) {
  const faults = [];
  const raws = given.filter(({ path }) => RAW.test(path));
  const protos = given.filter(({ path }) => path.endsWith(".proto"));
  if (raws.length && raws.length + protos.length > 1) faults.push("A zip or a descriptor set comes by itself: give one of them, or .proto files.");
  else if (raws.length) return { files: [], raw: raws[0].file, faults };
  if (!protos.length && !raws.length) faults.push("There is no .proto file among these, and no zip and no descriptor set.");
  const files = [];
  for (const { path, file } of raws.length ? [] : protos) {
    const text = await readText(file);
    if (text === null) faults.push(`${path} is not UTF-8 text.`);
    else files.push({ path, text });
  }
  return { files, raw: null, faults };
}

async function readText(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return null;
  }
}

/** Gives the files of an `<input type="file">`, with their paths in the folder that was chosen. */
export function chosen(input) {
  return [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** Gives the files of a drop, those in folders included. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ path: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const each of part) await walk(each, found);
  }
}
