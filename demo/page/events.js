// The Event stream card: server-sent events read from a streaming response, stopped by aborting the call.

import { element } from './panes.js';

const LINES_SHOWN = 2;

/** @param {(id: string) => HTMLElement} $ @param {Function} call as in app.js */
export function setUpEvents($, call) {
  let running;
  let count = 0;
  let lastId = '';

  $('events-start').addEventListener('click', async () => {
    running = new AbortController();
    toggle(true);
    try {
      const headers = lastId ? { 'last-event-id': lastId } : {};
      const { response, finish } = await call('GET', '/events', { headers, signal: running.signal });
      await follow(response.body.pipeThrough(new TextDecoderStream())).catch((error) => {
        if (!running.signal.aborted) throw error;
      });
      await finish();
      $('events-count').textContent = `${count} events, ${running.signal.aborted ? 'stopped' : 'ended'}`;
    } catch (error) {
      $('events-count').textContent = error.message;
    } finally {
      toggle(false);
    }
  });

  $('events-stop').addEventListener('click', () => running.abort());

  async function follow(stream) {
    let pending = '';
    for (const reader = stream.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (pending + value).split('\n\n');
      pending = blocks.pop();
      for (const block of blocks) show(block);
    }
  }

  function show(block) {
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? '';
    lastId = field('id');
    count += 1;
    const line = element('li', '', `#${lastId} ${JSON.parse(field('data')).time}`);
    line.dataset.id = lastId;
    $('events').prepend(line);
    while ($('events').children.length > LINES_SHOWN) $('events').lastChild.remove();
    $('events-count').textContent = `${count} events`;
  }

  function toggle(on) {
    $('events-start').disabled = on;
    $('events-stop').disabled = !on;
  }
}
