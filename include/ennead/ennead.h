/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything: the engines (engine.h) for somebody else's event loop, and the
 * Transport Services objects (taps.h) that run themselves.
 */
#ifndef ENNEAD_ENNEAD_H
#define ENNEAD_ENNEAD_H

#include "engine.h"
#include "ennead/version.h"
#include "env.h"
#include "error.h"
#include "protocol.h"
#include "security.h"
#include "taps.h"
#include "tunnel.h"
#include "wireguard.h"

#endif
