// The Files card: upload with progress, download with progress, and the proof that both are the same bytes.

const SAMPLE_BYTES = 50_000_000;
const RANDOM_MAX_BYTES = 65_536; // getRandomValues fills no more at once

/**
 * @param {(id: string) => HTMLElement} $
 * @param {(method: string, path: string, init?: object) => Promise<{ response: Response, finish(error?: unknown): Promise<void> }>} call
 */
export function setUpFiles($, call) {
  let chosen;
  let uploaded;

  $('file').addEventListener('change', () => {
    chosen = $('file').files[0];
  });

  $('file-sample').addEventListener('click', () => {
    const transfer = new DataTransfer();
    transfer.items.add(sampleFile());
    $('file').files = transfer.files;
    chosen = transfer.files[0];
  });

  $('file-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    say($('download-result'), '');
    if (!chosen) return say($('upload-result'), 'choose a file first', false);
    $('upload').disabled = true;
    $('download').disabled = true;
    say($('upload-result'), '');
    try {
      uploaded = await upload(chosen);
      $('upload-result').dataset.sha256 = uploaded.sha256;
      say($('upload-result'), `stored ${bytes(uploaded.size)}, SHA-256 ${uploaded.sha256.slice(0, 16)}…`, true);
      $('download').disabled = false;
    } catch (error) {
      say($('upload-result'), error.message, false);
    } finally {
      $('upload').disabled = false;
    }
  });

  $('download').addEventListener('click', async () => {
    $('download').disabled = true;
    say($('download-result'), '');
    try {
      const content = await download(uploaded.path);
      const same = (await sha256(content)) === uploaded.localSha256 && content.byteLength === uploaded.size;
      $('download-result').dataset.same = String(same);
      say($('download-result'), same ? 'byte-equal: same size, same SHA-256' : 'not the same bytes', same);
    } catch (error) {
      say($('download-result'), error.message, false);
    } finally {
      $('download').disabled = false;
    }
  });

  async function upload(file) {
    const path = `/files/${encodeURIComponent(file.name.replace(/[^\w .()-]/g, '_'))}`;
    const localSha256 = await sha256(await file.arrayBuffer());
    const show = progress($('upload-progress'), $('upload-percent'));
    show(0, file.size);
    const { response, finish } = await call('POST', path, {
      body: file,
      headers: { 'content-type': file.type || 'application/octet-stream' },
      onUploadProgress: ({ loadedBytes, totalBytes }) => show(loadedBytes, totalBytes ?? file.size),
    });
    const stored = await response.json();
    await finish();
    if (!response.ok) throw new Error(`${response.status}: ${stored.detail}`);
    if (stored.sha256 !== localSha256) throw new Error('the API stored other bytes than the file has');
    show(file.size, file.size);
    return { ...stored, path, localSha256 };
  }

  async function download(path) {
    const { response, finish } = await call('GET', path);
    if (!response.ok) throw new Error(`${response.status}`);
    const totalBytes = Number(response.headers.get('content-length'));
    const show = progress($('download-progress'), $('download-percent'));
    const chunks = [];
    let loadedBytes = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      loadedBytes += value.byteLength;
      show(loadedBytes, totalBytes);
    }
    await finish();
    return new Blob(chunks).arrayBuffer();
  }
}

function progress(bar, percent) {
  const startedMs = performance.now();
  return (loadedBytes, totalBytes) => {
    bar.max = totalBytes || 1;
    bar.value = loadedBytes;
    const seconds = (performance.now() - startedMs) / 1000;
    const speed = seconds > 0.05 ? `${(loadedBytes / 1e6 / seconds).toFixed(0)} MB/s` : '';
    percent.textContent = `${Math.floor((100 * loadedBytes) / (totalBytes || 1))} % of ${bytes(totalBytes)} ${speed}`;
  };
}

function sampleFile() {
  const content = new Uint8Array(SAMPLE_BYTES);
  for (let at = 0; at < SAMPLE_BYTES; at += RANDOM_MAX_BYTES) {
    crypto.getRandomValues(content.subarray(at, Math.min(SAMPLE_BYTES, at + RANDOM_MAX_BYTES)));
  }
  return new File([content], 'sample-50mb.bin', { type: 'application/octet-stream' });
}

async function sha256(buffer) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', buffer));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function bytes(count) {
  return count >= 1e6 ? `${(count / 1e6).toFixed(0)} MB` : `${count.toLocaleString('en')} B`;
}

/** Writes a result; `good` true or false colours it. */
export function say(output, text, good) {
  output.textContent = text;
  output.classList.toggle('good', good === true);
  output.classList.toggle('bad', good === false);
  if (text && output.classList.contains('block')) output.scrollIntoView({ block: 'nearest' });
}
