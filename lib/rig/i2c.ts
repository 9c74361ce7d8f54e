/** One chip on the bench's I2C bus, at the level of bytes and acknowledge bits. Instants are µs on the bench's clock. */
export interface I2cTarget {
  /** START (or repeated START) and a device address that belongs to this chip. True: acknowledged. */
  start(address: number, read: boolean, at: number): boolean;
  /** A byte from the master. True: acknowledged. */
  write(byte: number, at: number): boolean;
  /** The byte the chip shifts out. */
  read(at: number): number;
  /** STOP. Comes only on a byte boundary. */
  stop(at: number): void;
  /** Whether the byte to be written next is memory content, not part of the word address. */
  expectsData(): boolean;
}
