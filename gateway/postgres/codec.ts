// The codec's face: bytes ⇄ protocol messages, nothing else. Import from here; the folder is its inside.
export { ProtocolViolation } from './codec/bytes.ts';
export * from './codec/frame.ts';
export * from './codec/client.ts';
export * from './codec/server.ts';
