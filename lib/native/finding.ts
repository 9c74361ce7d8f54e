/** native/slot/request.h, enum Finding: what the bytes themselves tell about a failure. */
export enum Finding {
  None = 0,
  Width = 1,
  Size = 2,
  Undecided = 3,
  Protected = 4,
  UpperHalf = 5,
  Page = 6,
  OtherBytes = 7,
  WriteCycle = 8,
  RefusedByte = 9,
  Repeats = 10,
}
