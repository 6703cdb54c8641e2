/* SPDX-License-Identifier: Apache-2.0
 *
 * sim_wireguard: two to five WireGuard interfaces, seeded (see dgram_main.h).
 */
#include "dgram_main.h"
#include "wireguard_world.h"

int main(int argc, char **argv)
{
	return dgram_main(&wg_protocol, argc, argv);
}
