import { errorResponse, noticeResponse } from './codec/server.ts';

/** The same shape as the gate's GateRefusal; repeated here because codecs touch only bytes. */
type Refusal = {
  readonly code:
    | 'denied'
    | 'refused'
    | 'decided-no'
    | 'expired'
    | 'withdrawn'
    | 'abandoned'
    | 'changed'
    | 'unavailable';
  readonly sqlstate?: string | undefined;
  /** Names the rule; one line. */
  readonly message: string;
  readonly detail?: string | undefined;
  /** The next step, or a link. */
  readonly hint?: string | undefined;
};
type Notice = Pick<Refusal, 'message' | 'detail' | 'hint'>;

const SQLSTATE: Readonly<Record<Refusal['code'], string>> = {
  denied: '42501', // insufficient_privilege
  refused: '0A000', // feature_not_supported; the analyser's own code where it has one
  'decided-no': '42501',
  expired: '57014', // query_canceled: drivers know it and do not retry by themselves
  withdrawn: '57014',
  abandoned: '57P01', // admin_shutdown
  changed: '40001', // serialization_failure: sending it again is the right answer
  unavailable: '58000', // system_error
};

/** A refusal as ERROR: the statement has failed, the connection can be used on. */
export function refusalMessage(refusal: Refusal): Buffer {
  return errorResponse(fields('ERROR', sqlstateOf(refusal), refusal));
}

/** An error after which the gateway closes the connection. */
export function fatalMessage(sqlstate: string, notice: Notice): Buffer {
  return errorResponse(fields('FATAL', sqlstate, notice));
}

/** An error that no rule decided: a broken message, a limit. */
export function errorMessage(sqlstate: string, notice: Notice): Buffer {
  return errorResponse(fields('ERROR', sqlstate, notice));
}

/** What a person reads while the statement waits. */
export function heldMessage(notice: Notice): Buffer {
  return noticeResponse(fields('NOTICE', '01000', notice));
}

/** What a person reads at once, whatever the client does with notices. */
export function warningMessage(notice: Notice): Buffer {
  return noticeResponse(fields('WARNING', '01000', notice));
}

export function sqlstateOf(refusal: Pick<Refusal, 'code' | 'sqlstate'>): string {
  return refusal.sqlstate ?? SQLSTATE[refusal.code];
}

function fields(severity: string, sqlstate: string, notice: Notice): Map<string, string> {
  const map = new Map([
    ['S', severity],
    ['V', severity],
    ['C', sqlstate],
    ['M', notice.message],
  ]);
  if (notice.detail !== undefined) map.set('D', notice.detail);
  if (notice.hint !== undefined) map.set('H', notice.hint);
  return map;
}
