/* SPDX-License-Identifier: Apache-2.0
 *
 * The parsers of RTP, its header extensions, and RTCP: whatever they say lies inside the packet.
 */
#include "fuzz.h"
#include "protocols/srtp/wire.h"

static void elements(struct enn_bytes packet, const struct enn_rtp *rtp)
{
	struct enn_reader r = enn_reader_of(packet.data + rtp->extension, rtp->extension_len);
	struct enn_rtp_element e;
	const uint8_t *last = packet.data + rtp->extension;

	while (enn_rtp_element_next(rtp->profile, &r, &e)) {
		FUZZ_ASSERT(e.id != 0 && e.data.data > last);
		last = e.data.data + e.data.len;
		FUZZ_ASSERT(last <= packet.data + rtp->payload);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct enn_bytes packet = {data, size};
	struct enn_reader r = enn_reader_of(data, size);
	struct enn_rtp rtp;
	struct enn_rtcp rtcp;
	size_t words = 0;

	if (enn_rtp_parse(packet, &rtp)) {
		FUZZ_ASSERT(enn_srtp_classify(packet) != ENN_SRTP_OTHER);
		FUZZ_ASSERT(rtp.payload <= size &&
			    rtp.extension + rtp.extension_len == rtp.payload);
		elements(packet, &rtp);
	}
	while (enn_rtcp_next(&r, &rtcp)) {
		words += 1 + rtcp.body.len / 4;
	}
	FUZZ_ASSERT(!enn_rtcp_whole(packet) || words * 4 == size);
	return 0;
}
