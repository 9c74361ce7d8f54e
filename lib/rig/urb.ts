/** One URB as the host submitted it. */
export interface Urb {
  readonly id: number;
  readonly endpoint: number;
  readonly isIn: boolean;
  /** 8 bytes, for endpoint 0. */
  readonly setup: Uint8Array;
  /** OUT data. */
  readonly data: Uint8Array;
  /** Size of the host's buffer. */
  readonly length: number;
}

/** The importer's side of an attachment. */
export interface UrbPort {
  /** Linux status: 0, -32 (STALL), -75 (babble). Called once for each URB that was neither unlinked nor lost by an unplug. */
  complete(urb: Urb, status: number, data: Uint8Array): void;
  /** The device has left the bus. Nothing is completed after this. */
  gone(how: 'fin' | 'rst'): void;
}

/** An importer's hold on a device. */
export interface Attachment {
  submit(urb: Urb): void;
  /** Takes back a URB that is not completed yet. False: there is none with this id any more. */
  unlink(id: number): boolean;
  detach(reason: string): void;
}
