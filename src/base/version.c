/* SPDX-License-Identifier: Apache-2.0 */
#include "ennead/version.h"

const char *enn_version(void)
{
	return ENNEAD_VERSION;
}
