import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type AddressRange = readonly [address: Address, prefixLength: number];

/** Why calls to an address are refused, in words, or undefined where they may be made. */
export type AddressCheck = (address: string) => string | undefined;

/** A range as operators write it: `10.1.0.0/16`, `fd00::/8`, or one address. Throws Error for anything else. */
export function parseRange(text: string): AddressRange {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  if (ipaddr.isValid(text) && !/^\d+$/.test(text)) {
    const address = ipaddr.parse(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  }
  throw new Error(`${text} is not an address range such as 10.1.0.0/16 or fd00::/8`);
}

const reasons: Partial<Record<string, string>> = {
  unspecified: 'the unspecified address',
  broadcast: 'a broadcast address',
  multicast: 'a multicast address',
  linkLocal: 'a link-local address',
  loopback: "an address of this server's own",
  carrierGradeNat: "an address of a provider's private network",
  private: 'an address of a private network',
  uniqueLocal: 'an address of a private network',
};

/** Azure gives every virtual machine its secrets here, at an address that looks public. */
const metadata = ipaddr.parse('168.63.129.16').toString();

/** All that is allocated as global unicast. ipaddr.js also calls "unicast" what belongs to no range it knows. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/** Lets through public addresses and the ranges that an operator allows. */
export function createAddressCheck(allowed: readonly AddressRange[]): AddressCheck {
  return (text) => {
    const address = embedded(ipaddr.process(text));
    if (allowed.some((range) => contains(range, address))) return undefined;
    if (address.toString() === metadata) return "an address of a cloud's metadata service";
    const range = address.range();
    const open = range === 'unicast' && (address instanceof ipaddr.IPv4 || address.match(globalUnicast));
    return open ? undefined : (reasons[range] ?? 'an address that is not public');
  };
}

/** The IPv4 address that a NAT64 address leads to. (ipaddr.process has done the same for the mapped form.) */
function embedded(address: Address): Address {
  if (address instanceof ipaddr.IPv4 || address.range() !== 'rfc6052') return address;
  return new ipaddr.IPv4(address.toByteArray().slice(-4));
}

function contains([network, prefixLength]: AddressRange, address: Address): boolean {
  return network.kind() === address.kind() && address.match(network, prefixLength);
}
