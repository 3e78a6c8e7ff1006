import { z } from 'zod';
import { file, key, size } from './keys.ts';

/** How much of results is recorded, and where recordings are kept. */
export const recordings = z
  .strictObject({
    rows: key(
      z.int().min(0).default(1000),
      'How many rows of each result are recorded as they came; what is over is counted. Rules and targets can say less.',
      1000,
    ),
    bytes: key(size.default('1MiB'), 'How many bytes of each result, likewise.', '1MiB'),
    store: key(
      z.enum(['postgres', 'folder']).default('postgres'),
      'Where sealed chunks are kept: in the store (`postgres`) or in a `folder`.',
      'folder',
    ),
    folder: key(
      file.optional(),
      'With `store: folder`; gateways of one store share it. Default: `recordings` in `dataDir`.',
      '/var/lib/countersign/recordings',
    ),
  })
  .refine(({ store, folder }) => store === 'folder' || folder === undefined, {
    path: ['store'],
    error:
      'is not folder, so recordings.folder has no effect: write store: folder, or leave folder out',
  })
  .prefault({});
