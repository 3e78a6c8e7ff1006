import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSchedule, slotsUpTo } from '#src/config/schedule.ts';

const at = (text: string): number => Date.parse(text);
const slots = (text: string, timeZone: string, now: string): string[] => {
  const schedule = parseSchedule(text);
  assert.ok(schedule, text);
  return slotsUpTo(schedule, timeZone, at(now)).map((slot) => new Date(slot).toISOString());
};

test('a schedule is days and times', () => {
  const week = [1, 2, 3, 4, 5, 6, 7];
  assert.deepEqual(parseSchedule('daily 08:30'), { days: week, minutes: [510] });
  assert.deepEqual(parseSchedule('Mon-Fri 9:00'), { days: [1, 2, 3, 4, 5], minutes: [540] });
  assert.deepEqual(parseSchedule('weekly Mon 09:00'), { days: [1], minutes: [540] });
  assert.deepEqual(parseSchedule('20:00,08:00'), { days: week, minutes: [480, 1200] });
  assert.deepEqual(parseSchedule('sat,sun 00:00'), { days: [6, 7], minutes: [0] });
});

test('what is no schedule is refused', () => {
  for (const text of [
    '',
    'daily',
    '24:00',
    '09:60',
    'Fri-Mon 09:00',
    'Mon-Tue-Wed 09:00',
    'someday 09:00',
    'daily 09:00 10:00',
    '09:00,',
    'weekly 09:00 x',
  ])
    assert.equal(parseSchedule(text), undefined, text);
});

test('its times are of the clocks there, newest first', () => {
  assert.deepEqual(slots('Mon-Fri 09:00', 'Europe/Zurich', '2026-11-23T07:59:00Z').slice(0, 2), [
    '2026-11-20T08:00:00.000Z',
    '2026-11-19T08:00:00.000Z',
  ]);
  assert.equal(
    slots('Mon-Fri 09:00', 'Europe/Zurich', '2026-11-23T08:00:00Z')[0],
    '2026-11-23T08:00:00.000Z',
  );
  assert.equal(
    slots('daily 08:30', 'Pacific/Kiritimati', '2026-11-22T18:29:00Z')[0],
    '2026-11-21T18:30:00.000Z',
  );
});

test('the clock goes forward and back without a digest lost or doubled', () => {
  assert.deepEqual(slots('daily 02:30', 'Europe/Zurich', '2026-03-30T12:00:00Z').slice(0, 3), [
    '2026-03-30T00:30:00.000Z',
    '2026-03-29T01:30:00.000Z',
    '2026-03-28T01:30:00.000Z',
  ]);
  assert.deepEqual(slots('daily 02:30', 'Europe/Zurich', '2026-10-26T12:00:00Z').slice(0, 3), [
    '2026-10-26T01:30:00.000Z',
    '2026-10-25T00:30:00.000Z',
    '2026-10-24T00:30:00.000Z',
  ]);
});
