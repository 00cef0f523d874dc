"""murmur2 as Java computes it; the pairs come from Kafka's own `Utils.murmur2` and its partitioner."""

from __future__ import annotations

import pytest

from kwire.cli.partitioner import murmur2, partition_for_key

VECTORS = [
    ("", 275646681, 2, 681),
    ("06", 689762013, 3, 13),
    ("3bdc", 1527990439, 3, 439),
    ("ae7e77", -1396263976, 0, 672),
    ("82b716ab", -1652605959, 5, 689),
    ("f0acf0730a", -1367025643, 5, 5),
    ("878f2fbbb7e5", -49547033, 5, 615),
    ("cc82775c09b2ec", -465475340, 1, 308),
    ("13fe2d67a2625c89", -1352329960, 0, 688),
    ("2cf15e7026bb3d61cb", -21075637, 0, 11),
    ("9ed89797d2cc6856c4f0", 1386772363, 4, 363),
    ("dd26abd3dab17188837c79", 1273704926, 4, 926),
    ("0328efdc1ea0f222381b5fc7", 2135267568, 0, 568),
    ("200c985344319fb93ea022a477", -685722105, 4, 543),
    ("f6dc7362eb639f9c3c9506df931c", 447610200, 2, 200),
    ("548724a766a29a0d1c89c6786b9d64", 1624319575, 4, 575),
    ("5dc10d976e1a89bcd716e57aa4d1b615", -1015164932, 4, 716),
    ("205f1a908d4551d8933af3cdcd716386e5", 1029658436, 2, 436),
    ("dfed59011471b40ec30d72d0c93c64c31c3b", 966454878, 4, 878),
    ("71da2071578b4fa98d6c648dd50b29b40a545a", 1704361278, 4, 278),
    ("3669317736727a6e6263", 319215953, 0, 953),
    ("326b", 1463166759, 5, 759),
    ("7a786675776c733962703364686d68", -2010649213, 3, 435),
    ("6937736e67", 1332747307, 3, 307),
]


@pytest.mark.parametrize(("key", "hash_value", "of_7", "of_1000"), VECTORS)
def test_keys_go_where_java_sends_them(key: str, hash_value: int, of_7: int, of_1000: int) -> None:
    data = bytes.fromhex(key)
    assert murmur2(data) == hash_value % (1 << 32)
    assert partition_for_key(data, 7) == of_7
    assert partition_for_key(data, 1000) == of_1000
