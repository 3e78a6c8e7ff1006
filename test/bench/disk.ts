import { fdatasyncSync, writeSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { median } from './median.ts';

const BLOCK = Buffer.alloc(8192, 'x');
const BLOCKS = 2048;
const LONGEST_MS = 2_000;

/**
 * Median milliseconds that a disk takes to make 8 kB durable by fdatasync in a file that already has its size, which is
 * what a commit costs: PostgreSQL writes its log into files made beforehand.
 */
export async function fdatasyncMs(folder: string): Promise<number> {
  const path = join(folder, 'countersign-bench-fsync');
  const file = await open(path, 'w+');
  try {
    await file.write(Buffer.alloc(BLOCK.length * BLOCKS));
    await file.sync();
    const took: number[] = [];
    const until = performance.now() + LONGEST_MS;
    for (let block = 0; block < BLOCKS && performance.now() < until; block++) {
      const begun = performance.now();
      writeSync(file.fd, BLOCK, 0, BLOCK.length, block * BLOCK.length);
      fdatasyncSync(file.fd);
      took.push(performance.now() - begun);
    }
    return median(took);
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
