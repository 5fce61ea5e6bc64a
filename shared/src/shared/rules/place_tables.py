"""Tables of US places: zones of states, and the states of ZIP prefixes and area codes.

Zones: 49 CFR 71. Split states: the ZIP prefixes and area codes that lie wholly in one zone are listed so; a mixed
one lists both. ZIP prefixes: USPS Publication 65 and L002. Area codes: NANPA, as of libphonenumber 9.0.
"""

EASTERN = "America/New_York"
CENTRAL = "America/Chicago"
MOUNTAIN = "America/Denver"
PACIFIC = "America/Los_Angeles"
ARIZONA = "America/Phoenix"
ALASKA = "America/Anchorage"
ALEUTIAN = "America/Adak"
HAWAII = "Pacific/Honolulu"
ATLANTIC = "America/Puerto_Rico"
GUAM = "Pacific/Guam"
SAMOA = "Pacific/Pago_Pago"


def _spread(rows: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {key: zones for keys, zones in rows.items() for key in keys.split()}


# The first zone holds wherever SPLIT_ZIP3 and SPLIT_AREA_CODES do not say otherwise.
STATE_ZONES = _spread(
    {
        "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV": (EASTERN,),
        "AL AR IA IL LA MN MO MS OK WI": (CENTRAL,),
        "CO MT NM UT WY": (MOUNTAIN,),
        "CA WA": (PACIFIC,),
        "HI": (HAWAII,),
        "PR VI": (ATLANTIC,),
        "GU MP": (GUAM,),
        "AS": (SAMOA,),
        "AK": (ALASKA, ALEUTIAN),
        "AZ": (ARIZONA, MOUNTAIN),
        "FL": (EASTERN, CENTRAL),
        "ID": (MOUNTAIN, PACIFIC),
        "IN": (EASTERN, CENTRAL),
        "KS": (CENTRAL, MOUNTAIN),
        "KY": (EASTERN, CENTRAL),
        "MI": (EASTERN, CENTRAL),
        "ND": (CENTRAL, MOUNTAIN),
        "NE": (CENTRAL, MOUNTAIN),
        "NV": (PACIFIC, MOUNTAIN),
        "OR": (PACIFIC, MOUNTAIN),
        "SD": (CENTRAL, MOUNTAIN),
        "TN": (CENTRAL, EASTERN),
        "TX": (CENTRAL, MOUNTAIN),
    }
)

STATE_NAMES: dict[str, str] = {
    "alabama": "AL", "alaska": "AK", "arizona": "AZ", "arkansas": "AR", "california": "CA",
    "colorado": "CO", "connecticut": "CT", "delaware": "DE", "district of columbia": "DC",
    "florida": "FL", "georgia": "GA", "hawaii": "HI", "idaho": "ID", "illinois": "IL", "indiana": "IN",
    "iowa": "IA", "kansas": "KS", "kentucky": "KY", "louisiana": "LA", "maine": "ME", "maryland": "MD",
    "massachusetts": "MA", "michigan": "MI", "minnesota": "MN", "mississippi": "MS", "missouri": "MO",
    "montana": "MT", "nebraska": "NE", "nevada": "NV", "new hampshire": "NH", "new jersey": "NJ",
    "new mexico": "NM", "new york": "NY", "north carolina": "NC", "north dakota": "ND", "ohio": "OH",
    "oklahoma": "OK", "oregon": "OR", "pennsylvania": "PA", "rhode island": "RI",
    "south carolina": "SC", "south dakota": "SD", "tennessee": "TN", "texas": "TX", "utah": "UT",
    "vermont": "VT", "virginia": "VA", "washington": "WA", "west virginia": "WV", "wisconsin": "WI",
    "wyoming": "WY", "american samoa": "AS", "guam": "GU", "northern mariana islands": "MP",
    "puerto rico": "PR", "virgin islands": "VI",
}  # fmt: skip

# Where a mixed prefix is small and remote the dearer reading costs an hour a day; the cheaper one, a text at night.
SPLIT_ZIP3 = _spread(
    {
        "995": (ALASKA, ALEUTIAN),
        "860 865": (ARIZONA, MOUNTAIN),
        "324": (EASTERN, CENTRAL),
        "325": (CENTRAL,),
        "835": (MOUNTAIN, PACIFIC),
        "838": (PACIFIC,),
        "463 465 469 475 476 479": (EASTERN, CENTRAL),
        "464 477": (CENTRAL,),
        "677 678": (CENTRAL, MOUNTAIN),
        "401 425 426 427": (EASTERN, CENTRAL),
        "420 421 422 423 424": (CENTRAL,),
        "498 499": (EASTERN, CENTRAL),
        "585 586 588": (CENTRAL, MOUNTAIN),
        "690 691 692": (CENTRAL, MOUNTAIN),
        "693": (MOUNTAIN,),
        "898": (MOUNTAIN, PACIFIC),
        "979": (MOUNTAIN, PACIFIC),
        "575 576": (CENTRAL, MOUNTAIN),
        "577": (MOUNTAIN,),
        "373": (EASTERN, CENTRAL),
        "374 376 377 378 379": (EASTERN,),
        "798": (CENTRAL, MOUNTAIN),
        "799 885": (MOUNTAIN,),
    }
)

# Mobile numbers carry their area code across the zones it spans, whatever their exchange.
SPLIT_AREA_CODES = _spread(
    {
        "907": (ALASKA, ALEUTIAN),
        "928": (ARIZONA, MOUNTAIN),
        "448 850": (EASTERN, CENTRAL),
        "208 986": (MOUNTAIN, PACIFIC),
        "219 574 812 930": (EASTERN, CENTRAL),
        "620 785": (CENTRAL, MOUNTAIN),
        "270 364 606": (EASTERN, CENTRAL),
        "906": (EASTERN, CENTRAL),
        "701": (CENTRAL, MOUNTAIN),
        "308": (CENTRAL, MOUNTAIN),
        "775": (MOUNTAIN, PACIFIC),
        "458 541": (MOUNTAIN, PACIFIC),
        "605": (CENTRAL, MOUNTAIN),
        "423": (EASTERN, CENTRAL),
        "865": (EASTERN,),
        "915": (MOUNTAIN,),
    }
)

# The Andover prefix (055) is Massachusetts, used by the tax office only. 967 and 969 hold other places: see WHOLE_ZIPS.
ZIP3_RANGES: dict[str, str] = {
    "NY": "005 100-149",
    "PR": "006-007 009",
    "VI": "008",
    "MA": "010-027",
    "RI": "028-029",
    "NH": "030-038",
    "ME": "039-049",
    "VT": "050-054 056-059",
    "CT": "060-069",
    "NJ": "070-089",
    "AE": "090-098",
    "PA": "150-196",
    "DE": "197-199",
    "DC": "200 202-205",
    "VA": "201 220-246",
    "MD": "206-219",
    "WV": "247-268",
    "NC": "270-289",
    "SC": "290-299",
    "GA": "300-319 398-399",
    "FL": "320-339 341-342 344 346-347 349",
    "AA": "340",
    "AL": "350-352 354-369",
    "TN": "370-385",
    "MS": "386-397",
    "KY": "400-427",
    "OH": "430-459",
    "IN": "460-479",
    "MI": "480-499",
    "IA": "500-516 520-528",
    "WI": "530-532 534-535 537-549",
    "MN": "550-567",
    "SD": "570-577",
    "ND": "580-588",
    "MT": "590-599",
    "IL": "600-620 622-629",
    "MO": "630-631 633-641 644-658",
    "KS": "660-662 664-679",
    "NE": "680-681 683-693",
    "LA": "700-701 703-708 710-714",
    "AR": "716-729",
    "OK": "730-731 734-741 743-749",
    "TX": "733 750-770 772-799 885",
    "CO": "800-816",
    "WY": "820-831",
    "ID": "832-838",
    "UT": "840-847",
    "AZ": "850-853 855-857 859-860 863-865",
    "NM": "870-871 873-875 877-884",
    "NV": "889-891 893-895 897-898",
    "CA": "900-908 910-928 930-961",
    "AP": "962-966",
    "HI": "967-968",
    "OR": "970-979",
    "WA": "980-986 988-994",
    "AK": "995-999",
}

# ZIPs that belong elsewhere than their prefix says.
WHOLE_ZIPS: dict[str, str] = {
    "06390": "NY",
    "83414": "WY",
    "96799": "AS",
    **{f"969{n:02}": "GU" for n in range(10, 33)},
    **{f"969{n:02}": "MP" for n in range(50, 53)},
}

AREA_CODES: dict[str, str] = {
    "AK": "907",
    "AL": "205 251 256 334 659 938",
    "AR": "327 479 501 870",
    "AS": "684",
    "AZ": "480 520 602 623 928",
    "CA": (
        "209 213 279 310 323 341 350 369 408 415 424 442 510 530 559 562 619 626 628 650 657 661 669 "
        "707 714 738 747 760 805 818 820 831 840 858 909 916 925 949 951 "
    ),
    "CO": "303 719 720 748 970 983",
    "CT": "203 475 860 959",
    "DC": "202 771",
    "DE": "302",
    "FL": "239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954",
    "GA": "229 404 470 478 678 706 762 770 912 943",
    "GU": "671",
    "HI": "808",
    "IA": "319 515 563 641 712",
    "ID": "208 986",
    "IL": "217 224 309 312 331 447 464 618 630 708 730 773 779 815 847 872",
    "IN": "219 260 317 463 574 765 812 930",
    "KS": "316 620 785 913",
    "KY": "270 364 502 606 859",
    "LA": "225 318 337 504 985",
    "MA": "339 351 413 508 617 774 781 857 978",
    "MD": "227 240 301 410 443 667",
    "ME": "207",
    "MI": "231 248 269 313 517 586 616 734 810 906 947 989",
    "MN": "218 320 507 612 651 763 952",
    "MO": "235 314 417 557 573 636 660 816 975",
    "MP": "670",
    "MS": "228 601 662 769",
    "MT": "406",
    "NC": "252 336 472 704 743 828 910 919 980 984",
    "ND": "701",
    "NE": "308 402 531",
    "NH": "603",
    "NJ": "201 551 609 640 732 848 856 862 908 973",
    "NM": "505 575",
    "NV": "702 725 775",
    "NY": "212 315 329 332 347 363 516 518 585 607 631 646 680 716 718 838 845 914 917 929 934",
    "OH": "216 220 234 283 326 330 380 419 440 513 567 614 740 937",
    "OK": "405 539 572 580 918",
    "OR": "458 503 541 971",
    "PA": "215 223 267 272 412 445 484 570 582 610 717 724 814 835 878",
    "PR": "787 939",
    "RI": "401",
    "SC": "803 821 839 843 854 864",
    "SD": "605",
    "TN": "423 615 629 731 865 901 931",
    "TX": (
        "210 214 254 281 325 346 361 409 430 432 469 512 682 713 726 737 806 817 830 832 903 915 936 940 945 "
        "956 972 979 "
    ),
    "UT": "385 435 801",
    "VA": "276 434 540 571 686 703 757 804 826 948",
    "VI": "340",
    "VT": "802",
    "WA": "206 253 360 425 509 564",
    "WI": "262 274 353 414 534 608 715 920",
    "WV": "304 681",
    "WY": "307",
}
