import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Waiting } from '#cli/waiting.ts';

const notice = (hint: string) => ({
  message: 'countersign: confirm this connection in your browser; its statements wait until then',
  detail: 'Match code 42.',
  hint,
});

test('a connection that waits to be confirmed is told of once, whatever the gateway repeats', () => {
  const lines: string[] = [];
  const terminal = {
    interactive: false,
    out: () => undefined,
    err: (line: string) => void lines.push(line),
    status: () => undefined,
  };
  const waiting = new Waiting(terminal as unknown as ConstructorParameters<typeof Waiting>[0]);
  waiting.show(notice('http://x/connect/A'));
  waiting.show(notice('http://x/connect/A'));
  assert.equal(lines.length, 3);
  waiting.show(notice('http://x/connect/B'));
  assert.equal(lines.length, 6, 'another connection is another link');
  waiting.show({ message: 'hello' });
  waiting.show({ message: 'hello' });
  assert.equal(lines.length, 8, 'what statements raise is shown as often as it comes');
});
